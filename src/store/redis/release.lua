-- Gives a claim back without an attempt, if the lease is still held.
-- KEYS  first attempts, repeats, sends that have begun, lanes by first due
-- ARGV  1 its queue (1 or 2), 2 member, 3 the lease held, 4 due again, 5 the mark of its send, 6 lane
-- Returns 1, or 0 when the lease had passed on.
local queue = KEYS[tonumber(ARGV[1])]
local lease = redis.call('ZSCORE', queue, ARGV[2])
if not lease or tonumber(lease) ~= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', queue, 'XX', ARGV[4], ARGV[2])
note_first_due(KEYS[1], KEYS[2], KEYS[4], ARGV[6])
redis.call('ZREM', KEYS[3], ARGV[5])
return 1
