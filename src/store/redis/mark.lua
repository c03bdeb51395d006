-- Leaves a purchase on an identifier; one that was paid is not replaced by one on its way. The one that ends first makes
-- room when there are too many.
-- KEYS  marks of the identifier
-- ARGV  order, mark (its until in digits, a space, or a ? while unpaid, the record), life in ms, how many at most
local call = redis.call
local unpaid = '^%-?%d+%?'
local known = call('HGET', KEYS[1], ARGV[1])
if known and not string.find(known, unpaid) and string.find(ARGV[2], unpaid) then return 1 end
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
