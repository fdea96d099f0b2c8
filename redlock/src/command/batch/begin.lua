-- Runs several commands in one call. The script consists of this file, the steps of the commands as functions, and run.lua.
-- Each command is for a different lock.
--
-- KEYS  the lock of each command, the fence of each command that has one, the waitlist of each command that uses it; then
--       [marker, quarantine]
-- ARGV  1 a letter for each command  2 retention of the fences in ms  3 channel prefix
--       [4 value of the marker  5 guard time in ms]; then the arguments of each command
--
-- letter         arguments                                                       keys beside the lock
-- a  acquire     owner, ttl in ms, token                                         fence
-- w  acquire     owner, ttl in ms, token, last token, inbox or empty, since when fence, waitlist
-- e  extend      owner, ttl in ms, token, last token                             fence
-- x  extend      owner, ttl in ms
-- r  release     owner, tombstone                                                fence, waitlist
-- p  release     owner                                                           waitlist
--
-- Replies with an array: for each command its reply, as its step describes it, or its error. An error of one command does not
-- affect the others.
local redis, pcall, string, tonumber, type = redis, pcall, string, tonumber, type
local retention, channel = ARGV[2], ARGV[3]
-- Under the strict guard, guard.lua follows and replaces this function.
local no_vote
local ok = redis.status_reply('OK')

