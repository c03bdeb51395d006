-- One atomic write of a cart or an order, with all that follows from it. docs/redis.md lists the keys.
-- KEYS  record; of a cart also: wakes, sends, census; then what applies: answer, days of tallies, (delivery, lane) pairs
-- ARGV  1 the head that must be there, 2 the record ('' removes it), 3 its life in ms, 4 now,
--       5 the wake's member ('' for an order), 6 the wake, 7 the answer ('' for none), 8 its life in ms,
--       9 to 12 how many days, tallies, census moves and deliveries; then those: (day, name, by), (name, by), (record, member, due)
-- Returns the end of the last send in flight, or 0; -1 on a conflict; the first answer on a repeat.
local call = redis.call
local is_cart = ARGV[5] ~= ''
local k, a = is_cart and 4 or 1, 12

local answer = nil
if ARGV[7] ~= '' then
  k = k + 1
  answer = KEYS[k]
  local first = call('GET', answer)
  if first then return first end
end
if call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return -1 end

if ARGV[2] == '' then
  call('DEL', KEYS[1])
  call('ZREM', KEYS[2], ARGV[5])
else
  call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  if is_cart then call('ZADD', KEYS[2], ARGV[6], ARGV[5]) end
end
if answer then call('SET', answer, ARGV[7], 'PX', ARGV[8]) end

for _ = 1, tonumber(ARGV[10]) do
  -- pcall: a count at the end of its range stays there, and a commit is never half done.
  redis.pcall('HINCRBY', KEYS[k + tonumber(ARGV[a + 1])], ARGV[a + 2], ARGV[a + 3])
  a = a + 3
end
for _ = 1, tonumber(ARGV[9]) do
  k = k + 1
  call('EXPIRE', KEYS[k], 69120000, 'NX')
end
for _ = 1, tonumber(ARGV[11]) do
  redis.pcall('HINCRBY', KEYS[4], ARGV[a + 1], ARGV[a + 2])
  a = a + 2
end
for _ = 1, tonumber(ARGV[12]) do
  -- NX: a delivery decided twice is one delivery, wherever it has got to.
  if call('SET', KEYS[k + 1], ARGV[a + 1], 'NX') then
    call('ZADD', KEYS[k + 2], ARGV[a + 3], ARGV[a + 2])
  end
  k = k + 2
  a = a + 3
end

if not is_cart then return 0 end
local now, busy = tonumber(ARGV[4]), 0
for _, text in ipairs(call('HVALS', KEYS[3])) do
  local ends = tonumber(text)
  if ends > now and ends > busy then busy = ends end
end
return busy
