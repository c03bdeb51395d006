-- Gives a claim back without an attempt, if the lease is still held.
-- KEYS  queue, sends, lanes by first due
-- ARGV  member, the lease held, due again, delivery id, lane
-- Returns 1, or 0 when the lease had passed on.
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not lease or tonumber(lease) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], 'XX', ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], 'LT', ARGV[3], ARGV[5])
redis.call('HDEL', KEYS[2], ARGV[4])
return 1
