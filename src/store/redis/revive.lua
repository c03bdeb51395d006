-- Makes deliveries that have ended due again, each only as it was read.
-- KEYS  lane, dead, lanes by first due, deliveries
-- ARGV  1 lane; then for each delivery: member, the record as it was read, the record from now on, due
-- Returns 1 for each that is due again, 0 for each that had changed.
local call = redis.call
local revived = {}
for k = 4, #KEYS do
  local a = (k - 4) * 4 + 1
  if call('GET', KEYS[k]) == ARGV[a + 2] then
    call('SET', KEYS[k], ARGV[a + 3])
    call('ZADD', KEYS[1], ARGV[a + 4], ARGV[a + 1])
    call('ZADD', KEYS[3], 'LT', ARGV[a + 4], ARGV[1])
    call('ZREM', KEYS[2], ARGV[a + 1])
    revived[k - 3] = 1
  else
    revived[k - 3] = 0
  end
end
return revived
