-- Makes a client and its list of nodes known to this server, and the server to the client.
--
-- The record holds who the server is, and the lists that clients have announced lately. Its first line is `id life emptied`:
-- the id is the node's own and outlives its data where a client remembers it, the life begins anew whenever the record is
-- written from nothing, and `emptied` is when that was, in ms since the epoch, where a client knew of data before; 0 where
-- none did. Each further line is a list: `end size ids names`, until when it stands, in ms since the epoch, how
-- many nodes it has, the ids of those that its clients have met, and how they call them all.
--
-- KEYS  1 record
-- ARGV  1 a fresh id  2 the id by which the client knows the server, or empty
--       3 how many nodes its list has  4 the ids of those it counts, separated by commas
--       5 `1` where it counts this one too  6 how it calls them all  7 for how many ms the list stands; 0: only look
--       8 `1` where the id in the record is that of another node, as in a copy of its data
--
-- {NODE, id, life, ms, ''}   the list stands, or could; the data were emptied so long ago, -1: nobody saw that. The life is
--                            empty where the record could not be kept
-- {NODE, id, life, ms, 'left ids names'}  another list stands for so many ms, a majority of which need not meet a majority
--                            of this one
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('GET', KEYS[1]) or ''
local id, life, emptied, lists = string.match(stored, '^(%x+) (%x+) (%d+)\n(.*)$')
if not id or ARGV[8] == '1' then
  local known = ARGV[2] ~= '' and ARGV[8] ~= '1'
  id, life, emptied, lists = ARGV[2] ~= '' and ARGV[2] or ARGV[1], ARGV[1], known and now or 0, ''
end
emptied = tonumber(emptied)
-- A clock that was set back tells nothing.
local since = emptied > 0 and emptied <= now and now - emptied or -1

local mine, ids = {}, {}
local function count(node)
  if not mine[node] then
    mine[node] = true
    ids[#ids + 1] = node
  end
end
for node in string.gmatch(ARGV[4], '%x+') do count(node) end
if ARGV[5] == '1' then count(id) end
local quorum = math.floor(ARGV[3] / 2) + 1

local kept, refused = {}, nil
for line in string.gmatch(lists, '[^\n]+') do
  local ends, size, theirs, names = string.match(line, '^(%d+) (%d+) (%S*) (.*)$')
  if ends and tonumber(ends) > now then
    local shared, all = 0, 0
    for node in string.gmatch(theirs, '%x+') do
      all = all + 1
      if mine[node] then shared = shared + 1 end
    end
    -- What both need of the nodes that they share: where these suffice for both, their majorities need not meet.
    local needed = math.floor(size / 2) + 1
    if #ids >= quorum and all >= needed and
        math.max(0, quorum - (#ids - shared)) + math.max(0, needed - (all - shared)) <= shared then
      refused = refused or string.format('%.0f %s %s', ends - now, theirs, names)
    end
    -- A list that is part of mine is mine, announced when fewer nodes had been met.
    if shared < all or size ~= ARGV[3] then kept[#kept + 1] = line end
  end
end
if not refused and #kept >= 16 then refused = '0  of 16 other lists' end
if refused then return {'NODE', id, life, since, refused} end

if ARGV[7] ~= '0' then
  table.sort(ids)
  kept[#kept + 1] = string.format('%.0f %s %s %s', now + ARGV[7], ARGV[3], table.concat(ids, ','), ARGV[6])
end
-- On a server whose memory is full nothing new is granted either.
local first = string.format('%s %s %.0f\n', id, life, emptied)
local set = redis.pcall('SET', KEYS[1], first .. table.concat(kept, '\n'))
if set.err and stored == '' then life, since = '', -1 end
return {'NODE', id, life, since, ''}
