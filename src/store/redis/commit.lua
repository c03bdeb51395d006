-- The write of one cart or order, atomic with all that follows from it. `commit_all.lua` does the same for several of a
-- shard; most writes come alone, and this costs Redis a fifth less. Keys, arguments and answer are those over there.
local call = redis.call
local now = tonumber(ARGV[1])
local record, head, bytes, life = KEYS[tonumber(ARGV[3])], ARGV[4], ARGV[5], ARGV[6]
local answer, wakes, shop, cart = KEYS[tonumber(ARGV[7])], KEYS[tonumber(ARGV[10])], ARGV[11], ARGV[12]

if answer then
  local first = call('GET', answer)
  if first then return { first } end
end
if call('GETRANGE', record, 0, 7) ~= head then return { -1 } end

if bytes ~= '' then call('SET', record, bytes, 'PX', life) else call('DEL', record) end
if answer then call('SET', answer, ARGV[8], 'PX', ARGV[9]) end
if wakes then
  if bytes ~= '' then
    call('ZADD', wakes, ARGV[13], cart)
  else
    call('ZREM', wakes, cart)
    forget(KEYS[4], shop .. '/' .. cart, now)
  end
  local first = call('ZRANGE', wakes, 0, 0, 'WITHSCORES')[2]
  if first then call('ZADD', KEYS[2], first, shop) else call('ZREM', KEYS[2], shop) end
end

local a, answered = 15, 0
for _ = 1, tonumber(ARGV[15]) do
  local due = ARGV[a + 6]
  -- NX: a delivery decided twice is one delivery, wherever it has got to.
  if call('SET', KEYS[tonumber(ARGV[a + 1])], ARGV[a + 4], 'NX') then
    call('ZADD', KEYS[tonumber(ARGV[a + 2])], due, ARGV[a + 5])
    call('ZADD', KEYS[3], 'LT', due, ARGV[a + 3])
    if ARGV[a + 8] ~= '' then mark(KEYS[4], { ARGV[a + 8] }) end
  elseif ARGV[a + 7] == '1' then
    answered = 1
  end
  a = a + 8
end

local moved = nil
for c = a + 1, a + 3 * tonumber(ARGV[a + 1]), 3 do
  local key = KEYS[tonumber(ARGV[c + 1])]
  -- pcall: a count at the end of its range stays there, and a write is never half done.
  redis.pcall('HINCRBY', key, ARGV[c + 2], ARGV[c + 3])
  if key ~= KEYS[1] and key ~= moved then
    moved = key
    -- Whoever remembers the day sees that it moved (`redis/days.rs`).
    redis.pcall('HINCRBY', key, '~', 1 + now % 1000003)
    call('EXPIRE', key, TALLIES_KEPT_S, 'NX')
  end
end

return { answered }
