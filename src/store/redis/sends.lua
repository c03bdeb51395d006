-- When each reminder of a cart that has begun is over, or was: in ms.
-- KEYS  sends of the shard that have begun, sends of the cart that nobody answered
-- ARGV  1 the cart, as `shop/cart`
local ends = redis.call('HVALS', KEYS[2])
for _, mark in ipairs(in_flight(KEYS[1], ARGV[1])) do ends[#ends + 1] = string.match(mark, '[^/]+$') end
return ends
