-- Sends the carts of a file in random order, for wrk. Arguments: the key, and a file of one JSON cart a line; line n is c-n.
local bodies = {}

function init(args)
  wrk.headers["Authorization"] = "Bearer " .. args[1]
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(args[2]) do
    bodies[#bodies + 1] = line
  end
  math.randomseed(os.time())
end

function request()
  local n = math.random(#bodies)
  return wrk.format("PUT", "/v1/carts/c-" .. n, nil, bodies[n])
end
