-- Takes one key from under a name of the keyring.
-- KEYS  keys of a cart
-- ARGV  key
local call = redis.call
local keys, left = call('GET', KEYS[1]) or '', ''
for at = 1, #keys, #ARGV[1] do
  local key = string.sub(keys, at, at + #ARGV[1] - 1)
  if key ~= ARGV[1] then left = left .. key end
end
if left == '' then call('DEL', KEYS[1]) elseif left ~= keys then call('SET', KEYS[1], left, 'PX', call('PTTL', KEYS[1])) end
return 1
