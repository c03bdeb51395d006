-- Takes a purchase off an identifier, unless it was paid: late news of a failure does not undo a payment.
-- KEYS  marks of the identifier
-- ARGV  order
local mark = redis.call('HGET', KEYS[1], ARGV[1])
if mark and string.find(mark, '^%-?%d+%?') then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
