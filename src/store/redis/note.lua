-- Leaves a note on a hash, and gives what it is known for then: one step, so that of two who leave and look at least one
-- sees the other. A note is its until in digits, a mark that says how it gives way, the record. The marks: `?` to any
-- other, a space to its like only, `!` to none, `@` and digits to one with a number as high. One that is over gives way
-- to all; when there are too many, the one that ends first makes room.
-- KEYS  notes on the hash
-- ARGV  key of the note, note, life in ms, how many at most, now
-- Returns the notes.
local call = redis.call
local function parts(note)
  local ends, mark, number = string.match(note, '^(%-?%d+)([ ?!@])(%-?%d*)')
  return tonumber(ends) or 0, mark, tonumber(number) or 0
end
local function stays(known, new)
  local ends, mark, number = parts(known)
  if ends <= tonumber(ARGV[5]) then return false end
  local _, new_mark, new_number = parts(new)
  return mark == '!' or (mark == ' ' and new_mark == '?') or (mark == '@' and new_mark == '@' and new_number < number)
end
local known = call('HGET', KEYS[1], ARGV[1])
if not (known and stays(known, ARGV[2])) then
  call('HSET', KEYS[1], ARGV[1], ARGV[2])
  if call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
    local notes, first, first_until = call('HGETALL', KEYS[1]), nil, math.huge
    for i = 1, #notes, 2 do
      local ends = parts(notes[i + 1])
      if ends < first_until then first, first_until = notes[i], ends end
    end
    call('HDEL', KEYS[1], first)
  end
  if call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then call('PEXPIRE', KEYS[1], ARGV[3]) end
end
return call('HVALS', KEYS[1])
