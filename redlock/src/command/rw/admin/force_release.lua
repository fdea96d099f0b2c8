-- Removes the given owners from a read/write lock, makes what they may still send stale, and notifies waiters. Holders that came
-- later stay: this may be delivered twice, or late.
--
-- KEYS  1 writer  2 bar of the writers  3 waiting writers  4 readers  5 bar of the readers  6 waiting readers
-- ARGV  1 retention of the bars in ms  2 channel prefix  3 the owner to name in notifications
--       4 tombstone of the writers, or empty  5 tombstone of the readers, or empty
--       6 ... owners that were seen; an empty one stands for a writer whose value is too long for an owner
--
-- OK  none of those owners holds it
--
-- The deletions come first: they need no memory.
local was = redis.call('MGET', KEYS[1], KEYS[2], KEYS[5], KEYS[4])
local writer, only, wrote, read = was[1], was[4], false, false
for place = 6, #ARGV do
  local owner = ARGV[place]
  if writer and (writer == owner or owner == '' and #writer > 64) then
    wrote = redis.call('DEL', KEYS[1]) == 1 or wrote
  elseif only then
    if only == owner then read = redis.call('DEL', KEYS[4]) == 1 or read end
  elseif redis.call('ZSCORE', KEYS[4], owner) then
    read = redis.call('ZREM', KEYS[4], owner) == 1 or read
  end
end
if ARGV[4] ~= '' then leave_tombstone(KEYS[2], was[2], ARGV[4], ARGV[1]) end
if ARGV[5] ~= '' then leave_tombstone(KEYS[5], was[3], ARGV[5], ARGV[1]) end
if wrote or read and (only or read_for(KEYS[4]) == 0) then notify(KEYS[3], ARGV[2], ARGV[3], KEYS[1]) end
if wrote then notify_all(KEYS[6], ARGV[2], ARGV[3], KEYS[4]) end
return redis.status_reply('OK')
