-- Leaves a purchase on an identifier. The one that ends first makes room when there are too many.
-- KEYS  marks of the identifier
-- ARGV  order, mark (its until in digits, a space, the record), life in ms, how many at most
local call = redis.call
call('HSET', KEYS[1], ARGV[1], ARGV[2])
if call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
  local marks, first, first_until = call('HGETALL', KEYS[1]), nil, math.huge
  for i = 1, #marks, 2 do
    local ends = tonumber(string.match(marks[i + 1], '^%-?%d+')) or 0
    if ends < first_until then first, first_until = marks[i], ends end
  end
  call('HDEL', KEYS[1], first)
end
if call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
