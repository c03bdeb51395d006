-- The moment of sending: only the holder of the current lease passes, and from here the cart has a reminder in flight.
-- KEYS  lane, delivery, sends, cart
-- ARGV  member, the lease held, the new lease, the id of a reminder ('' for other events), life of the send mark in ms
-- Returns the delivery and the cart (nil where there is none), or nil when the lease is not held any more.
local call = redis.call
local lease = call('ZSCORE', KEYS[1], ARGV[1])
if not lease or tonumber(lease) ~= tonumber(ARGV[2]) then return false end
local delivery = call('GET', KEYS[2])
if not delivery then
  -- Nothing to send: the entry would come back for ever.
  call('ZREM', KEYS[1], ARGV[1])
  return false
end
call('ZADD', KEYS[1], 'XX', ARGV[3], ARGV[1])
if ARGV[4] ~= '' then
  -- A send of it that began before and was not settled: nobody knows whether it has arrived.
  local lost = call('HGET', KEYS[3], ARGV[4])
  if lost then call('HSET', KEYS[3], '?' .. ARGV[4], lost) end
  call('HSET', KEYS[3], ARGV[4], ARGV[3])
  if call('PTTL', KEYS[3]) < tonumber(ARGV[5]) then call('PEXPIRE', KEYS[3], ARGV[5]) end
end
return { delivery, call('GET', KEYS[4]) }
