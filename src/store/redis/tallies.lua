-- The counts of days in one shard, each day as one text: a list of thousands of short words costs more to read than to make.
-- KEYS  of each day: its tallies
-- Returns for each day its names and counts, one a line, each name before its count.
local days = {}
for n, day in ipairs(KEYS) do days[n] = table.concat(redis.call('HGETALL', day), '\n') end
return days
