-- The step of a release, alone and in a batch. With a fence: raises the fence above the token (the tombstone), so that an
-- acquire or an extension that is delayed and arrives after this is stale.
--
-- lock_key, fence_key, waiters_key
--                the second only if the lock has a fence
-- holder, fence  the values of the first two keys, by MGET
-- owner, tombstone, retention
-- channel        the prefix of the channels of inboxes
-- nobody_waits   the waitlist is known to be empty
--
-- OK    the owner does not hold it (any more)
-- WOKE  the same, and a waiting process was notified
--
-- The deletion comes first: it needs no memory.
local held = holder == owner
if held then redis.call('DEL', lock_key) end
if fence_key then leave_tombstone(fence_key, fence, tombstone, retention, held) end
if held and not nobody_waits and notify(waiters_key, channel, owner, lock_key) > 0 then
  return redis.status_reply('WOKE')
end
return ok
