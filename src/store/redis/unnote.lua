-- Takes a note off a hash, unless it is firm: late news of a failure does not undo a payment.
-- KEYS  notes on the hash
-- ARGV  key of the note
local note = redis.call('HGET', KEYS[1], ARGV[1])
if note and not string.find(note, '^%-?%d+ ') then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
