-- Reminders that are in flight: in front of the scripts that have to do with them. Those of a shard lie in one place, as
-- `shop/cart/delivery/end of the lease (ms)`, all with the score 0: what belongs together lies side by side.
local function in_flight(begun, whose)
  return redis.call('ZRANGE', begun, '[' .. whose .. '/', '(' .. whose .. '0', 'BYLEX')
end

-- A cart that is gone leaves no mark that says nothing any more.
local function forget(begun, whose, now)
  for _, mark in ipairs(in_flight(begun, whose)) do
    if tonumber(string.match(mark, '[^/]+$')) + KNOWN_FOR_MS < now then redis.call('ZREM', begun, mark) end
  end
end

local function mark(begun, marks)
  local some = {}
  for n, mark in ipairs(marks) do some[2 * n - 1], some[2 * n] = '0', mark end
  if #some > 0 then redis.call('ZADD', begun, unpack(some)) end
end
