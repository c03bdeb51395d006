-- A page of a lane's list in the order of score and member, behind a place in it.
-- KEYS  lane or dead
-- ARGV  1 nothing up to this score, 2 score of the place ('' for the beginning), 3 its member, 4 how many
-- Returns members and scores.
local call = redis.call
local first = call('ZCOUNT', KEYS[1], '-inf', ARGV[1])
if ARGV[2] ~= '' then
  -- Members of one score can be very many: the place among them is halved down to.
  local from = call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
  local to = call('ZCOUNT', KEYS[1], '-inf', ARGV[2])
  while from < to do
    local middle = math.floor((from + to) / 2)
    if call('ZRANGE', KEYS[1], middle, middle)[1] <= ARGV[3] then from = middle + 1 else to = middle end
  end
  if from > first then first = from end
end
return call('ZRANGE', KEYS[1], first, first + tonumber(ARGV[4]) - 1, 'WITHSCORES')
