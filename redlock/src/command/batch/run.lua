-- One MGET reads for all steps: their keys are different, so no step changes what another has read.
--
-- A server whose memory is full refuses a write that needs memory, unless the script has written before. So acquires, which
-- need memory, come first: each of them is refused as it would be alone.
local letters = ARGV[1]
local count = #letters
local function number_of(set) return select(2, string.gsub(letters, set, '')) end
local waitlists = count + number_of('[awer]')
local was = redis.pcall('MGET', unpack(KEYS, 1, waitlists))
local replies = {}
if was.err then
  for place = 1, count do replies[place] = was end
  return replies
end

local abstains
if no_vote and string.find(letters, '[awe]') then
  local done
  done, abstains = pcall(no_vote, KEYS[#KEYS - 1], KEYS[#KEYS], ARGV[4], ARGV[5])
  -- Redis 6.2 raises a string, later versions a table.
  if not done and type(abstains) == 'string' then abstains = {err = abstains} end
end

local nobody_waits, releases = false, number_of('[rp]')
if releases > 0 then
  -- Usually none of the locks has waiters, which one EXISTS for all of them shows.
  local first = waitlists + number_of('w') + 1
  nobody_waits = redis.pcall('EXISTS', unpack(KEYS, first, first + releases - 1)) == 0
end

local fence, waitlist, arg = count, waitlists, no_vote and 6 or 4
local letter_a, letter_r, letter_p, letter_e, letter_x = string.byte('arpex', 1, 5)
for place = 1, count do
  local letter, lock, holder = string.byte(letters, place), KEYS[place], was[place]
  local done, reply
  if letter == letter_a then
    fence = fence + 1
    done, reply = pcall(acquire, abstains, lock, KEYS[fence], nil, holder, was[fence],
      ARGV[arg], ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 2], '')
    arg = arg + 3
  elseif letter == letter_r then
    fence, waitlist = fence + 1, waitlist + 1
    done, reply = pcall(release, lock, KEYS[fence], KEYS[waitlist], holder, was[fence],
      ARGV[arg], ARGV[arg + 1], nobody_waits)
    arg = arg + 2
  elseif letter == letter_p then
    waitlist = waitlist + 1
    done, reply = pcall(release, lock, nil, KEYS[waitlist], holder, nil, ARGV[arg], nil, nobody_waits)
    arg = arg + 1
  elseif letter == letter_e then
    fence = fence + 1
    done, reply = pcall(extend, abstains, lock, KEYS[fence], holder, was[fence], unpack(ARGV, arg, arg + 3))
    arg = arg + 4
  elseif letter == letter_x then
    done, reply = pcall(extend, nil, lock, nil, holder, nil, unpack(ARGV, arg, arg + 1))
    arg = arg + 2
  else
    fence, waitlist = fence + 1, waitlist + 1
    done, reply = pcall(acquire, abstains, lock, KEYS[fence], KEYS[waitlist], holder, was[fence],
      unpack(ARGV, arg, arg + 5))
    arg = arg + 6
  end
  if not done and type(reply) == 'string' then reply = {err = reply} end
  replies[place] = reply
end
return replies
