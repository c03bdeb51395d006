-- Removes a delivery wherever it lies: a lease on it is lost.
-- KEYS  delivery, then the lists of its lane
-- ARGV  1 member
-- Returns 1 when there was one.
for k = 2, #KEYS do redis.call('ZREM', KEYS[k], ARGV[1]) end
return redis.call('DEL', KEYS[1])
