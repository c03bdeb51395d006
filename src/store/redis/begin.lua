-- The moment of sending: only the holder of the current lease passes, and from here the cart has a reminder in flight.
-- KEYS  first attempts, repeats, lanes by first due, sends that have begun; then of each: delivery, sends that nobody
--       answered, cart
-- ARGV  1 lane, 2 the new lease, 3 for how long one that nobody answered is known in ms; then of each: its queue (1 or 2),
--       member, the lease held, `shop/cart/delivery` of a reminder ('' for other events)
-- Returns for each the delivery and the cart (nil where there is none), or nil when the lease is not held any more.
local call = redis.call
local count = (#KEYS - 4) / 3

local members, place = { {}, {} }, {}
for n = 1, count do
  local of_queue = members[tonumber(ARGV[4 * n])]
  of_queue[#of_queue + 1] = ARGV[4 * n + 1]
  place[n] = #of_queue
end
local scores = {}
for q = 1, 2 do
  if #members[q] > 0 then scores[q] = call('ZMSCORE', KEYS[q], unpack(members[q])) end
end

local held, taken, wanted = {}, {}, {}
for n = 1, count do
  local member, lease = ARGV[4 * n + 1], scores[tonumber(ARGV[4 * n])][place[n]]
  if lease and tonumber(lease) == tonumber(ARGV[4 * n + 2]) and not taken[member] then
    taken[member] = true
    held[#held + 1] = n
    wanted[#wanted + 1] = KEYS[3 * n + 2]
    wanted[#wanted + 1] = KEYS[3 * n + 4]
  end
end
local found = #wanted > 0 and call('MGET', unpack(wanted))

-- A send of it that began before and was not settled: nobody knows whether it has arrived.
local function leave_behind(whose, sends)
  for _, earlier in ipairs(in_flight(KEYS[4], whose)) do
    call('ZREM', KEYS[4], earlier)
    call('HSET', sends, '?' .. string.match(whose, '[^/]+$'), string.match(earlier, '[^/]+$'))
    if call('PEXPIRE', sends, ARGV[3], 'NX') == 0 then call('PEXPIRE', sends, ARGV[3], 'GT') end
  end
end

local begun, marks, leases, gone = {}, {}, { {}, {} }, { {}, {} }
for n = 1, count do begun[n] = false end
for i, n in ipairs(held) do
  local q, delivery = tonumber(ARGV[4 * n]), found[2 * i - 1]
  if delivery then
    leases[q][#leases[q] + 1] = ARGV[2]
    leases[q][#leases[q] + 1] = ARGV[4 * n + 1]
    local whose = ARGV[4 * n + 3]
    if whose ~= '' then
      leave_behind(whose, KEYS[3 * n + 3])
      marks[#marks + 1] = whose .. '/' .. ARGV[2]
    end
    begun[n] = { delivery, found[2 * i] }
  else
    -- Nothing to send: the entry would come back for ever.
    gone[q][#gone[q] + 1] = ARGV[4 * n + 1]
  end
end
mark(KEYS[4], marks)
for q = 1, 2 do
  if #leases[q] > 0 then call('ZADD', KEYS[q], 'XX', unpack(leases[q])) end
  if #gone[q] > 0 then call('ZREM', KEYS[q], unpack(gone[q])) end
end
note_first_due(KEYS[1], KEYS[2], KEYS[3], ARGV[1])
return begun
