-- One small write that must not fail at maxmemory.
-- KEYS  the key
-- ARGV  the command, then what follows the key
return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))
