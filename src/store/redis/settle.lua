-- Records attempts, or the ends of deliveries, of one lane; each holds only if its lease is still held.
-- KEYS  first attempts, repeats, dead, lanes by first due, sends that have begun, days of tallies; then of each: delivery,
--       sends of its cart that nobody answered
-- ARGV  1 lane, 2 now as far as known, 3 for how long one that nobody answered is known in ms, 4 how many days, 5 how
--       many sets of tallies; of each set: how many, then those as (day, name, by); then of each: 1 its queue (1 or 2),
--       2 member, 3 the lease held, 4 delivery id, 5 the record, 6 due again ('' when it has ended), 7 its life in ms once
--       ended, 8 kept among the dead until ('' when it is none), 9 when an attempt ended that nobody answered, or
--       'delivered', 10 the mark of its send, 11 its set of tallies
-- Returns for each 1, or 0 when the lease had passed on.
local call = redis.call
local k, a = 5 + tonumber(ARGV[4]), 5
local sets, counts, failed = {}, {}, nil
for n = 1, tonumber(ARGV[5]) do
  sets[n], counts[n] = a, 0
  a = a + 1 + 3 * tonumber(ARGV[a + 1])
end
local count = (#KEYS - k) / 2

local members, place = { {}, {} }, {}
for n = 1, count do
  local of_queue = members[tonumber(ARGV[a + 11 * n - 10])]
  of_queue[#of_queue + 1] = ARGV[a + 11 * n - 9]
  place[n] = #of_queue
end
local scores = {}
for q = 1, 2 do
  if #members[q] > 0 then scores[q] = call('ZMSCORE', KEYS[q], unpack(members[q])) end
end

-- Nearly always nothing is known to be unanswered.
local unanswered = {}
for n = 1, count do unanswered[n] = KEYS[k + 2 * n] end
local some_unanswered = call('EXISTS', unpack(unanswered)) > 0

local left, again, over = { {}, {} }, {}, {}
local function settle(a, delivery, sends)
  if ARGV[a + 6] ~= '' then
    call('SET', delivery, ARGV[a + 5])
    again[#again + 1] = ARGV[a + 6]
    again[#again + 1] = ARGV[a + 2]
  else
    call('SET', delivery, ARGV[a + 5], 'PX', ARGV[a + 7])
  end
  if ARGV[a + 8] ~= '' then
    call('ZADD', KEYS[3], ARGV[a + 8], ARGV[a + 2])
    call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[2])
    -- Trimmed as others come; where none do, the list ends with the last of them.
    if call('PEXPIRE', KEYS[3], ARGV[a + 7], 'NX') == 0 then call('PEXPIRE', KEYS[3], ARGV[a + 7], 'GT') end
  end
  over[#over + 1] = ARGV[a + 10]
  local id, fate = ARGV[a + 4], ARGV[a + 9]
  if fate == 'delivered' then
    if some_unanswered then call('HDEL', sends, '?' .. id) end
  elseif fate ~= '' then
    call('HSET', sends, '?' .. id, fate)
    if call('PTTL', sends) < tonumber(ARGV[3]) then call('PEXPIRE', sends, ARGV[3]) end
  end
  local of_queue, set = left[tonumber(ARGV[a + 1])], tonumber(ARGV[a + 11])
  of_queue[#of_queue + 1] = ARGV[a + 2]
  counts[set] = counts[set] + 1
end

local settled, taken = {}, {}
for n = 1, count do
  local member, lease = ARGV[a + 2], scores[tonumber(ARGV[a + 1])][place[n]]
  settled[n] = 0
  if lease and tonumber(lease) == tonumber(ARGV[a + 3]) and not taken[member] then
    taken[member] = true
    settled[n] = 1
    -- One that cannot be done keeps no other from being done with its counts.
    local done, problem = pcall(settle, a, KEYS[k + 2 * n - 1], KEYS[k + 2 * n])
    if not done then failed = problem end
  end
  a = a + 11
end
for q = 1, 2 do
  if #left[q] > 0 then call('ZREM', KEYS[q], unpack(left[q])) end
end
if #over > 0 then call('ZREM', KEYS[5], unpack(over)) end
if #again > 0 then call('ZADD', KEYS[2], unpack(again)) end
note_first_due(KEYS[1], KEYS[2], KEYS[4], ARGV[1])
local moved = {}
for n, times in ipairs(counts) do
  if times > 0 then
    local t = sets[n]
    for _ = 1, tonumber(ARGV[t + 1]) do
      local day, by = KEYS[5 + tonumber(ARGV[t + 2])], ARGV[t + 4]
      if times > 1 then by = string.format('%.0f', times * tonumber(by)) end
      -- pcall: a count at the end of its range stays there.
      redis.pcall('HINCRBY', day, ARGV[t + 3], by)
      moved[day] = true
      t = t + 3
    end
  end
end
for day in pairs(moved) do
  -- Whoever remembers the day sees that it moved (`redis/days.rs`).
  redis.pcall('HINCRBY', day, '~', 1 + math.max(tonumber(ARGV[2]), 0) % 1000003)
  call('EXPIRE', day, TALLIES_KEPT_S, 'NX')
end
if failed then error(failed) end
return settled
