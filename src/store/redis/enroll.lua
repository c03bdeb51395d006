-- Notes a cart under an identifier, and gives the notes on that identifier: one step, so that of an enrolment and an
-- order at the same time at least one sees the other.
-- KEYS  carts of the identifier, notes on the identifier
-- ARGV  cart, until, life in ms, now as far as known, how many carts at most
-- Returns the notes.
local call = redis.call
call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local over = call('ZCARD', KEYS[1]) - tonumber(ARGV[5])
if over > 0 then call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end
if call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then call('PEXPIRE', KEYS[1], ARGV[3]) end
return call('HVALS', KEYS[2])
