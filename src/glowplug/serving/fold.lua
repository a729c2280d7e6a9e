#!lua
-- One write, if it is later than what is there (see store.py).
-- KEYS[1]; ARGV: topic id, partition, offset, seconds to keep (0: for ever), then field, value, field, value, ...
-- The first line makes the server refuse the script before it starts when memory is out: it never half-applies.
local held = redis.call('HGET', KEYS[1], 'v')
if held then
  local topic, partition, offset = string.match(held, '^(.*)/(%d+)/(%d+)$')
  if topic == ARGV[1] and partition == ARGV[2] and tonumber(offset) >= tonumber(ARGV[3]) then
    return 0
  end
end
redis.call('DEL', KEYS[1]) -- with its fields goes a tombstone's expiry
redis.call('HSET', KEYS[1], 'v', ARGV[1] .. '/' .. ARGV[2] .. '/' .. ARGV[3], unpack(ARGV, 5))
if ARGV[4] ~= '0' then
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
return 1
