-- The keys under a name of the keyring: a fresh one where there is none, or a new cart is to have its own; all are kept longer.
-- KEYS  keys of a cart
-- ARGV  fresh key, life (ms), is for a new cart (0 or 1), most bytes
local call = redis.call
local keys = call('GET', KEYS[1]) or ''
if keys == '' or (ARGV[3] == '1' and #keys < tonumber(ARGV[4])) then keys = keys .. ARGV[1] end
call('SET', KEYS[1], keys, 'PX', math.max(tonumber(ARGV[2]), call('PTTL', KEYS[1])))
return keys
