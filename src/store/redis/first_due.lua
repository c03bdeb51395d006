-- A lane's entry among the lanes of its shard is made true: in front of the scripts that take something out of its queues, or
-- put it off. Those that only add lower the entry themselves. One that is outdated costs a look at every poll, for ever.
local function note_first_due(first, again, lanes, lane)
  local call, earliest = redis.call, nil
  for _, queue in ipairs({ first, again }) do
    local head = call('ZRANGE', queue, 0, 0, 'WITHSCORES')[2]
    if head and (not earliest or tonumber(head) < tonumber(earliest)) then earliest = head end
  end
  if earliest then call('ZADD', lanes, earliest, lane) else call('ZREM', lanes, lane) end
end

