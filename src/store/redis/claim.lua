-- Leases what is due in one shard of a lane: the due moment moves to the end of the lease.
-- KEYS  lane
-- ARGV  now, how many at most, the end of the lease
-- Returns members and the moments they were due.
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local leases = {}
for i = 1, #due, 2 do
  leases[i] = ARGV[3]
  leases[i + 1] = due[i]
end
if #leases > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(leases)) end
return due
