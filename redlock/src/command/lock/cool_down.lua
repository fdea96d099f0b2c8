-- Ends a hold but keeps the key busy for a window, the cool-down. Its value marks it as a cool-down, and no holder has that
-- value. The window may be shorter than the rest of the ttl. With a fence: leaves a tombstone, as a release does.
--
-- It may be delivered again when the reply was lost or came late, with what is left of the window then: that shortens a
-- window that began late. A window of 0 ms is over: the key is released, whether the hold or its cool-down keeps it busy.
--
-- KEYS  1 lock  2 waiters  3 lock and 4 waiters of the readers, if the holder is a writer, else as 1 and 2
--       [5 fence  [6 marker  7 quarantine]]
-- ARGV  1 owner  2 value of the cool-down  3 window in ms  4 channel prefix  [5 tombstone  6 retention of the fence in ms
--       [7 value of the marker  8 guard time in ms]]
--
-- OK                   busy for the window, by this or by an earlier delivery; or the window is over
-- WOKE                 the window is over, and a waiting process was notified
-- {QUARANTINED, left}  carried out, but no vote
-- {MAXTTL, marker}     carried out, but no vote: see guard.lua
-- {EPOCH, marker}      carried out, but no vote: see guard.lua
-- GONE                 the owner did not hold it
local abstains = KEYS[6] and no_vote(KEYS[6], KEYS[7], ARGV[7], ARGV[8])

local was = redis.call('MGET', KEYS[1], KEYS[5] or KEYS[1])
local held, cooling = was[1] == ARGV[1], was[1] == ARGV[2]
local over = ARGV[3] == '0'
if over then
  if held or cooling then redis.call('DEL', KEYS[1]) end
elseif held then
  local done = put(KEYS[1], ARGV[2], ARGV[3])
  if done.err then return done end
elseif cooling and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if KEYS[5] then leave_tombstone(KEYS[5], was[2], ARGV[5], ARGV[6]) end
if not held and not cooling then return abstains or redis.status_reply('GONE') end

local notified = 0
if over then
  notified = notify(KEYS[2], ARGV[4], ARGV[1], KEYS[1])
  if KEYS[3] ~= KEYS[1] then notified = notified + notify_all(KEYS[4], ARGV[4], ARGV[1], KEYS[3]) end
elseif held then
  -- No waiter can have the lock before the window is over: notify all of them.
  notify_all(KEYS[2], ARGV[4], ARGV[2], KEYS[1])
  if KEYS[3] ~= KEYS[1] then notify_all(KEYS[4], ARGV[4], ARGV[2], KEYS[3]) end
end
return abstains or redis.status_reply(notified > 0 and 'WOKE' or 'OK')
