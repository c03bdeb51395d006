-- Records an attempt, or the end of a delivery, if the lease is still held.
-- KEYS  queue of the claim, delivery, sends, dead, queue of repeats, days of tallies
-- ARGV  1 member, 2 the lease held, 3 delivery id, 4 the record, 5 due again ('' when it has ended), 6 its life in ms once
--       ended, 7 kept among the dead until ('' when it is none), 8 now as far as known, 9 when an attempt ended that nobody
--       answered, or 'delivered', 10 life of the mark of such an attempt in ms, 11.. tallies: (key, name, by)
-- Returns 1, or 0 when the lease had passed on.
local call = redis.call
local lease = call('ZSCORE', KEYS[1], ARGV[1])
if not lease or tonumber(lease) ~= tonumber(ARGV[2]) then return 0 end
if ARGV[5] ~= '' then
  call('SET', KEYS[2], ARGV[4])
  call('ZREM', KEYS[1], ARGV[1])
  call('ZADD', KEYS[5], ARGV[5], ARGV[1])
else
  call('SET', KEYS[2], ARGV[4], 'PX', ARGV[6])
  call('ZREM', KEYS[1], ARGV[1])
end
if ARGV[7] ~= '' then
  call('ZADD', KEYS[4], ARGV[7], ARGV[1])
  call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[8])
end
call('HDEL', KEYS[3], ARGV[3])
if ARGV[9] == 'delivered' then
  call('HDEL', KEYS[3], '?' .. ARGV[3])
elseif ARGV[9] ~= '' then
  call('HSET', KEYS[3], '?' .. ARGV[3], ARGV[9])
  if call('PTTL', KEYS[3]) < tonumber(ARGV[10]) then call('PEXPIRE', KEYS[3], ARGV[10]) end
end
for a = 11, #ARGV, 3 do
  local day = KEYS[5 + tonumber(ARGV[a])]
  redis.pcall('HINCRBY', day, ARGV[a + 1], ARGV[a + 2])
  call('EXPIRE', day, 69120000, 'NX')
end
return 1
