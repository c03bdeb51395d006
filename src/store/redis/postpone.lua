-- Moves the wake of a cart that has one.
-- KEYS  wakes of the shop, shops by first wake
-- ARGV  cart, wake, shop
local call = redis.call
call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1])
local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[2] then call('ZADD', KEYS[2], first[2], ARGV[3]) else call('ZREM', KEYS[2], ARGV[3]) end
return 1
