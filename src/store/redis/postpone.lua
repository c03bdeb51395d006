-- Moves the wake of a cart whose wake has come: one that has not is another by now.
-- KEYS  wakes of the shop, shops by first wake
-- ARGV  cart, now, wake, shop
local call = redis.call
local wake = call('ZSCORE', KEYS[1], ARGV[1])
if not wake or tonumber(wake) > tonumber(ARGV[2]) then return 0 end
call('ZADD', KEYS[1], 'XX', ARGV[3], ARGV[1])
local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[2] then call('ZADD', KEYS[2], first[2], ARGV[4]) else call('ZREM', KEYS[2], ARGV[4]) end
return 1
