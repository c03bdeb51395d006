-- Shows that a process is alive, and gives all that are.
-- KEYS  processes by when they showed life
-- ARGV  process, now, who showed none after this is not alive
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
return redis.call('ZRANGE', KEYS[1], 0, -1)
