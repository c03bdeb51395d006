-- Leases what is due in one shard of a lane: the due moment moves to the end of the lease. The longest overdue come first
-- in each queue; a quarter of the places is for repeats, and neither queue leaves a place empty that the other could use.
-- With no places it only makes the lane's entry true.
-- KEYS  first attempts, repeats, lanes by first due
-- ARGV  1 now, 2 how many first attempts at most, 3 how many repeats, 4 how many of both, 5 the end of the lease, 6 lane
-- Returns first attempts and repeats, each as members and the moments they were due.
local call = redis.call
local limit = tonumber(ARGV[4])

local function due(queue, count)
  if tonumber(count) == 0 then return {} end
  return call('ZRANGE', queue, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, count, 'WITHSCORES')
end

local function lease(queue, found, count)
  if count == 0 then return {} end
  local leases, claimed = {}, {}
  for i = 1, 2 * count, 2 do
    leases[i], leases[i + 1] = ARGV[5], found[i]
    claimed[i], claimed[i + 1] = found[i], found[i + 1]
  end
  call('ZADD', queue, 'XX', unpack(leases))
  return claimed
end

local first, again = due(KEYS[1], ARGV[2]), due(KEYS[2], ARGV[3])
local agains = math.min(#again / 2, math.max(math.floor(limit / 4), limit - #first / 2))
local firsts = math.min(#first / 2, limit - agains)
local claimed = { lease(KEYS[1], first, firsts), lease(KEYS[2], again, agains) }

note_first_due(KEYS[1], KEYS[2], KEYS[3], ARGV[6])
return claimed
