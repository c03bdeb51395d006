-- Leaves notes on hashes of one shard, and gives what each is known for then: one step, so that of two who leave and look
-- at least one sees the other. A note is its until in digits, a mark that says how it gives way, the record. The marks:
-- `?` to any other, a space to its like only, `!` to none, `@` and digits to one with a number as high. One that is over
-- gives way to all; when there are too many, the one that ends first makes room.
-- KEYS  of each: the notes on its hash
-- ARGV  1 how many notes a hash has at most, 2 now; then of each: key of the note, note, life in ms
-- Returns for each the notes on its hash.
local call = redis.call
local most, now = tonumber(ARGV[1]), tonumber(ARGV[2])

local function parts(note)
  local ends, mark, number = string.match(note, '^(%-?%d+)([ ?!@])(%-?%d*)')
  return tonumber(ends) or 0, mark, tonumber(number) or 0
end

local function stays(known, new)
  local ends, mark, number = parts(known)
  if ends <= now then return false end
  local _, new_mark, new_number = parts(new)
  return mark == '!' or (mark == ' ' and new_mark == '?') or (mark == '@' and new_mark == '@' and new_number < number)
end

local function make_room(hash, names, notes)
  local first, first_until = nil, math.huge
  for i, note in ipairs(notes) do
    local ends = parts(note)
    if ends < first_until then first, first_until = i, ends end
  end
  call('HDEL', hash, names[first])
  table.remove(notes, first)
end

local function leave(hash, name, note, life)
  local found, names, notes, place, last = call('HGETALL', hash), {}, {}, nil, -math.huge
  for i = 1, #found, 2 do
    names[#names + 1], notes[#notes + 1] = found[i], found[i + 1]
    if found[i] == name then place = #names end
    last = math.max(last, (parts(found[i + 1])))
  end
  if place and stays(notes[place], note) then return notes end
  place = place or #names + 1
  names[place], notes[place] = name, note
  call('HSET', hash, name, note)
  if #notes > most then make_room(hash, names, notes) end
  -- What is there has a life already, and a longer one than the longest of its notes: whoever leaves one gives it that.
  if last < (parts(note)) then call('PEXPIRE', hash, life, #found == 0 and 'NX' or 'GT') end
  return notes
end

local known = {}
for n, hash in ipairs(KEYS) do
  known[n] = leave(hash, ARGV[3 * n], ARGV[3 * n + 1], ARGV[3 * n + 2])
end
return known
