-- Moves a delivery that cannot be read to the dead, if the lease is still held. Its record stays as it is.
-- KEYS  queue, delivery, sends, dead, days of tallies
-- ARGV  1 member, 2 the lease held, 3 delivery id, 4 kept until, 5 the same as the record's head, 6 its life in ms,
--       7 now as far as known, 8.. tallies: (key of the day, name, by)
-- Returns 1, or 0 when the lease had passed on.
local call = redis.call
local lease = call('ZSCORE', KEYS[1], ARGV[1])
if not lease or tonumber(lease) ~= tonumber(ARGV[2]) then return 0 end
call('ZREM', KEYS[1], ARGV[1])
call('SETRANGE', KEYS[2], 0, ARGV[5])
call('PEXPIRE', KEYS[2], ARGV[6])
call('ZADD', KEYS[4], ARGV[4], ARGV[1])
call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[7])
call('HDEL', KEYS[3], ARGV[3])
for a = 8, #ARGV, 3 do
  local day = KEYS[tonumber(ARGV[a])]
  redis.pcall('HINCRBY', day, ARGV[a + 1], ARGV[a + 2])
  -- Whoever remembers the day sees that it moved (`redis/days.rs`).
  redis.pcall('HINCRBY', day, '~', 1 + math.max(tonumber(ARGV[7]), 0) % 1000003)
  call('EXPIRE', day, 69120000, 'NX')
end
return 1
