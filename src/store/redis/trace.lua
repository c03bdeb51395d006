-- One step through a list of a lane, for the deliveries of some carts.
-- KEYS  a queue or the dead
-- ARGV  1 where to go on ('0' at the beginning), 2 how many to look at, 3.. the carts
-- Returns where to go on ('0' at the end), then the members found.
local wanted = {}
for a = 3, #ARGV do wanted[ARGV[a]] = true end
local step = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found = { step[1] }
for i = 1, #step[2], 2 do
  if wanted[string.match(step[2][i], ' (.*)$')] then found[#found + 1] = step[2][i] end
end
return found
