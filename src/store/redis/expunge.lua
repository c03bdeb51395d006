-- Removes a delivery wherever it lies: a lease on it is lost.
-- KEYS  delivery, then of its lane first attempts, repeats and dead, lanes by first due
-- ARGV  1 member, 2 lane
-- Returns 1 when there was one.
for k = 2, 4 do redis.call('ZREM', KEYS[k], ARGV[1]) end
note_first_due(KEYS[2], KEYS[3], KEYS[5], ARGV[2])
return redis.call('DEL', KEYS[1])
