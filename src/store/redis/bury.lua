-- Moves a delivery that cannot be read to the dead, if the lease is still held. Its record stays as it is.
-- KEYS  first attempts, repeats, delivery, sends that have begun, dead, lanes by first due, days of tallies
-- ARGV  1 its queue (1 or 2), 2 member, 3 the lease held, 4 the mark of its send, 5 kept until, 6 the same as the
--       record's head, 7 its life in ms, 8 now as far as known, 9 lane, 10.. tallies: (key of the day, name, by)
-- Returns 1, or 0 when the lease had passed on.
local call = redis.call
local queue = KEYS[tonumber(ARGV[1])]
local lease = call('ZSCORE', queue, ARGV[2])
if not lease or tonumber(lease) ~= tonumber(ARGV[3]) then return 0 end
call('ZREM', queue, ARGV[2])
note_first_due(KEYS[1], KEYS[2], KEYS[6], ARGV[9])
call('SETRANGE', KEYS[3], 0, ARGV[6])
call('PEXPIRE', KEYS[3], ARGV[7])
call('ZADD', KEYS[5], ARGV[5], ARGV[2])
call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[8])
-- Trimmed as others come; where none do, the list ends with the last of them.
if call('PEXPIRE', KEYS[5], ARGV[7], 'NX') == 0 then call('PEXPIRE', KEYS[5], ARGV[7], 'GT') end
call('ZREM', KEYS[4], ARGV[4])
for a = 10, #ARGV, 3 do
  local day = KEYS[tonumber(ARGV[a])]
  redis.pcall('HINCRBY', day, ARGV[a + 1], ARGV[a + 2])
  -- Whoever remembers the day sees that it moved (`redis/days.rs`).
  redis.pcall('HINCRBY', day, '~', 1 + math.max(tonumber(ARGV[8]), 0) % 1000003)
  call('EXPIRE', day, TALLIES_KEPT_S, 'NX')
end
return 1
