-- Sends the carts of a file in random order, for wrk. Arguments: the key, and a file of one JSON cart a line; line n is c-n.
-- Requests are made before the load begins: what is measured is the server, not this script.
local requests = {}

function init(args)
  wrk.headers["Authorization"] = "Bearer " .. args[1]
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(args[2]) do
    requests[#requests + 1] = wrk.format("PUT", "/v1/carts/c-" .. (#requests + 1), nil, line)
  end
  math.randomseed(os.time())
end

function request()
  return requests[math.random(#requests)]
end
