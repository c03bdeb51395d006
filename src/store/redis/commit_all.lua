-- Writes of carts or orders of one shard: each is atomic with all that follows from it, and has an answer of its own.
-- docs/redis.md lists the keys. What all add to one key is added at the end, in one step for each key; writes that count
-- the same share a set of counts.
-- KEYS  census, shops by first wake, lanes by first due, sends that have begun; then what the arguments name by its
--       number, from 1
-- ARGV  1 now, 2 how many writes; then of each write
--       1 record, 2 the head that must be there, 3 the record to write ('' removes it), 4 its life in ms,
--       5 answer (0 for none), 6 the answer to keep, 7 its life in ms,
--       8 wakes of the shop (0 for an order), 9 shop, 10 cart, 11 wake,
--       12 its set of counts, 13 how many deliveries; then those as (delivery, queue, lane, record, member, due, 1 for one
--       that begins with this write (else 0), the mark of its send where that is a reminder ('' for others));
--       after all writes the sets, of each: how many counts, then those as (tallies of the day or census, name, by)
-- Returns for each write 0, or 1 where a delivery that was to begin with it was known; -1 on a conflict; the first answer
-- on a repeat.
local call = redis.call
local now = tonumber(ARGV[1])
local times_of, sums, shops, wakes_of, queued, lanes, marks, failed = {}, {}, {}, {}, {}, {}, {}, nil

local function of(places, key)
  local place = places[key]
  if not place then
    place = {}
    places[key] = place
  end
  return place
end

-- Small steps are summed over all writes; a large one goes by itself, so that no sum leaves the exact numbers of Lua.
local function add(key, name, by, times)
  local sum = of(sums, key)
  if #by > 9 then
    -- pcall: a count at the end of its range stays there, and a write is never half done.
    for _ = 1, times do redis.pcall('HINCRBY', key, name, by) end
  else
    sum[name] = (sum[name] or 0) + times * tonumber(by)
  end
end

local function put(b)
  local record, wakes, answer = KEYS[tonumber(ARGV[b + 1])], KEYS[tonumber(ARGV[b + 8])], KEYS[tonumber(ARGV[b + 5])]
  if answer then
    local first = call('GET', answer)
    if first then return first end
  end
  if call('GETRANGE', record, 0, 7) ~= ARGV[b + 2] then return -1 end

  local is_there = ARGV[b + 3] ~= ''
  if is_there then call('SET', record, ARGV[b + 3], 'PX', ARGV[b + 4]) else call('DEL', record) end
  if wakes then
    if not is_there then forget(KEYS[4], ARGV[b + 9] .. '/' .. ARGV[b + 10], now) end
    shops[wakes] = ARGV[b + 9]
    of(wakes_of, wakes)[ARGV[b + 10]] = is_there and ARGV[b + 11]
  end
  if answer then call('SET', answer, ARGV[b + 6], 'PX', ARGV[b + 7]) end

  local set, a, answered = tonumber(ARGV[b + 12]), b + 13, 0
  times_of[set] = (times_of[set] or 0) + 1
  for _ = 1, tonumber(ARGV[b + 13]) do
    -- NX: a delivery decided twice is one delivery, wherever it has got to.
    if call('SET', KEYS[tonumber(ARGV[a + 1])], ARGV[a + 4], 'NX') then
      local queue, lane, due = of(queued, KEYS[tonumber(ARGV[a + 2])]), ARGV[a + 3], ARGV[a + 6]
      queue[#queue + 1] = due
      queue[#queue + 1] = ARGV[a + 5]
      if not lanes[lane] or tonumber(due) < tonumber(lanes[lane]) then lanes[lane] = due end
      if ARGV[a + 8] ~= '' then marks[#marks + 1] = ARGV[a + 8] end
    elseif ARGV[a + 7] == '1' then
      answered = 1
    end
    a = a + 8
  end

  return answered
end

local answers, b = {}, 2
for n = 1, tonumber(ARGV[2]) do
  -- One that cannot be done keeps no other from being done with its counts.
  local done, answer = pcall(put, b)
  if done then answers[n] = answer else failed = answer end
  b = b + 13 + 8 * tonumber(ARGV[b + 13])
end

local set = 0
while b < #ARGV do
  set = set + 1
  local times, count = times_of[set], tonumber(ARGV[b + 1])
  for a = b + 1, times and b + 3 * count or b, 3 do
    add(KEYS[tonumber(ARGV[a + 1])], ARGV[a + 2], ARGV[a + 3], times)
  end
  b = b + 1 + 3 * count
end

for wakes, carts in pairs(wakes_of) do
  local come, gone = {}, {}
  for cart, wake in pairs(carts) do
    if wake then
      come[#come + 1] = wake
      come[#come + 1] = cart
    else
      gone[#gone + 1] = cart
    end
  end
  if #come > 0 then call('ZADD', wakes, unpack(come)) end
  if #gone > 0 then call('ZREM', wakes, unpack(gone)) end
  local first = call('ZRANGE', wakes, 0, 0, 'WITHSCORES')
  if first[2] then call('ZADD', KEYS[2], first[2], shops[wakes]) else call('ZREM', KEYS[2], shops[wakes]) end
end
mark(KEYS[4], marks)
for queue, members in pairs(queued) do call('ZADD', queue, unpack(members)) end
for lane, due in pairs(lanes) do call('ZADD', KEYS[3], 'LT', due, lane) end
for key, counts in pairs(sums) do
  for name, by in pairs(counts) do redis.pcall('HINCRBY', key, name, by) end
  if key ~= KEYS[1] then
    -- Whoever remembers the day sees that it moved (`redis/days.rs`).
    redis.pcall('HINCRBY', key, '~', 1 + now % 1000003)
    call('EXPIRE', key, TALLIES_KEPT_S, 'NX')
  end
end
if failed then error(failed) end
return answers
