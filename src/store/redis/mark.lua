-- The reminder of a cart is in flight: in front of the scripts with which sends begin.
-- The mark of a delivery is the end of its lease (ms); its life ends the whole hash of its cart.
local function mark(sends, id, ends, life)
  local call = redis.call
  if call('HSETNX', sends, id, ends) == 0 then
    -- A send of it that began before and was not settled: nobody knows whether it has arrived.
    call('HSET', sends, '?' .. id, call('HGET', sends, id), id, ends)
  end
  if call('PEXPIRE', sends, life, 'NX') == 0 then call('PEXPIRE', sends, life, 'GT') end
end

