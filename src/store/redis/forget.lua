-- Takes every note off a hash, but for some.
-- KEYS  notes on the hash
-- ARGV  keys of the notes that stay
-- Returns how many were taken off.
local stays, gone = {}, 0
for _, key in ipairs(ARGV) do stays[key] = true end
local notes = redis.call('HGETALL', KEYS[1])
for i = 1, #notes, 2 do
  if not stays[notes[i]] then gone = gone + redis.call('HDEL', KEYS[1], notes[i]) end
end
return gone
