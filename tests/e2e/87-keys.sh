#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# API keys, sessions, one-time passwords and locks, as real clients use them: a key narrows what its user may, in which
# networks and until when; it is rotated with an overlap and revoked at once; a copied token ends its session; who guesses
# is locked out, also over a restart; what does harm takes a one-time password of who is enrolled.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly GROUP=61300
KEY='' # of the call that follows

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: host, scope: global, rate: 1M/s}
YAML

# nobody and daemon are admins, bin is an operator: the daemon's /etc/group is one of its own.
grep -v '^weir' /etc/group >"$LAB_DIR/group"
printf 'weir:x:%d:\nweir-operator:x:%d:\n' $GROUP $((GROUP + 1)) >>"$LAB_DIR/group"
# shellcheck disable=SC2016,SC2034 # of the inner shell; for lib.sh
WEIR_INSIDE=(unshare --mount --propagation private sh -c
	'mount --bind "$0" /etc/group && exec "$@"' "$LAB_DIR/group")

as() { # USER COMMAND...
	local group=$GROUP

	[[ $1 != bin ]] || group=$((GROUP + 1))
	setpriv --reuid "$1" --regid nogroup --groups "$group" -- "${@:2}"
}

# ask USER METHOD PATH [CURL_OPTION...] - prints the status; the answer is in answer, headers in headers.
ask() {
	: >"$LAB_DIR/answer"
	: >"$LAB_DIR/headers"
	chmod 666 "$LAB_DIR/headers" # curl is another user
	as "$1" curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$2" \
		${KEY:+-H "Authorization: Bearer $KEY"} "${@:4}" -w '%{stderr}%{http_code}' \
		-D "$LAB_DIR/headers" "http://weir/v1$3" 2>"$LAB_DIR/status" >"$LAB_DIR/answer"
	cat "$LAB_DIR/status"
}

is() { # STATUS COMMAND...
	local status

	status=$("${@:2}")
	echo "status $status, not $1"
	cat "$LAB_DIR/answer"
	[[ $status == "$1" ]]
}

answer() { # JQ_FILTER
	jq -r "$1" "$LAB_DIR/answer"
}

with_key() { # KEY COMMAND...
	KEY=$1 "${@:2}"
}

# code SECRET - the one-time password of now, by another implementation.
code() {
	python3 - "$1" <<-'PY'
		import base64, hashlib, hmac, struct, sys, time
		secret = base64.b32decode(sys.argv[1])
		mac = hmac.new(secret, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
		at = mac[-1] & 15
		print("%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 10**6))
	PY
}

# A password is good once: wait for one that was not used.
fresh_code() { # SECRET
	local last=${used_code:-} now

	now=$(code "$1")
	while [[ $now == "$last" ]]; do
		sleep 0.5
		now=$(code "$1")
	done
	used_code=$now
}

narrowing() {
	local robot

	robot=$(weir keys create robot --role operator --permissions lists.read,lists.write \
		--sources 198.18.0.0/16 --ttl 90d 2>/dev/null)
	check 'a key is weir_, 8 digits and 43 characters, alone on stdout' \
		grep -qxE 'weir_[0-9a-f]{8}_[A-Za-z0-9_-]{43}' <<<"$robot"
	check 'its secret is nowhere in the state directory' \
		refuse grep -rqF "${robot:14}" "$STATE"
	check 'that it was made is on record, with who, for what and where' has_record \
		'.event_type == "key.created" and .actor.username == "root" and .details.role == "operator" and
		 .details.key_name == "robot" and (.details.permissions | test("lists.write")) and
		 .resource.id == "'"${robot:5:8}"'"'
	printf '%s\n' "$robot" >"$LAB_DIR/robot"
	chmod 644 "$LAB_DIR/robot"
	check 'with the key an admin blocks inside its prefixes' \
		as nobody "$WEIR" block 198.18.7.7 --key-file "$LAB_DIR/robot"
	check 'and takes effect: nothing of that source arrives' \
		test "$(echoes_from 198.18.7.7)" = 0
	check 'not outside of them' exits 4 \
		as nobody "$WEIR" block 203.0.113.1 --key-file "$LAB_DIR/robot"
	check 'nor in a network around them' exits 4 \
		as nobody "$WEIR" block 198.0.0.0/8 --key-file "$LAB_DIR/robot"
	check 'nor takes anything out there' exits 4 \
		as nobody "$WEIR" unblock 203.0.113.1 --key-file "$LAB_DIR/robot"
	check 'nor does anything else' exits 4 as nobody env WEIR_KEY="$robot" "$WEIR" panic off
	check 'the refusal says that the key is what lacks it' is 403 with_key "$robot" ask nobody GET /flags
	check 'by its code' test "$(answer .code)" = auth.scope
	check 'root, too, has with a key what the key gives' is 403 with_key "$robot" ask root GET /flags
	check 'what anybody may read is read with any key' is 200 with_key "$robot" ask nobody GET /status
	check 'each request is on record with the key that it showed' has_record \
		'.event_type == "api.request" and .details.credential == "key '"${robot:5:8}"'" and .details.status == 201'
	check 'weir keys list says when it was used last' \
		sh -c "'$WEIR' keys list | grep -E '^${robot:5:8} +robot +good +operator .*$(date -u +%F)'"
	check 'weir roles says what one may with it' jq -e \
		'.you.permissions | index("lists.write") and (index("flags.read") | not)' \
		<<<"$(WEIR_KEY=$robot weir roles -o json)"
	ROBOT=$robot
}

# What a key of an admin gives an operator is what both have.
never_adds() {
	local admin

	admin=$(weir keys create boss --role admin 2>/dev/null)
	check 'an operator with a key of an admin is operator' is 403 with_key "$admin" ask bin GET /keys
	check 'and does what operators do' is 201 with_key "$admin" ask bin POST /lists/block \
		-d '{"cidr": "198.18.9.9"}'
	check 'a key for keys makes none that gives more than itself' is 403 \
		with_key "$(weir keys create maker --role admin --permissions keys.write 2>/dev/null)" \
		ask nobody POST /keys -d '{"name": "more", "role": "admin"}'
	check 'and says so' test "$(answer .code)" = key.wider
	check 'an operator makes no keys' exits 4 as bin "$WEIR" keys create x --role viewer
	check 'a role that there is not is refused, with the reason' is 422 \
		ask nobody POST /keys -d '{"name": "x", "role": "king"}'
	check 'and that is on record' has_record '.event_type == "key.created" and .outcome == "denied" and .details.code == "grant.role"'
	check 'at an hour that a key is not for it is refused' is 403 with_key \
		"$(weir keys create late --role viewer --hours "$(date -u -d '+2 hours' +%-H)-$(date -u -d '+3 hours' +%-H)" 2>/dev/null)" \
		ask nobody GET /lists
	check 'a key of a tenant sees nothing else' is 403 with_key \
		"$(weir keys create acme --role viewer --tenants acme 2>/dev/null)" ask nobody GET /limits
}

# A key has a rate of its own; sessions that it opens count for it.
rates() {
	local slow token status

	slow=$(weir keys create slow --role viewer --rate 5/h 2>/dev/null)
	for status in 200 200 201; do
		if [[ $status == 201 ]]; then
			with_key "$slow" ask nobody POST /sessions >/dev/null
			token=$(answer .token)
		else
			with_key "$slow" ask nobody GET /lists >/dev/null
		fi
	done
	check 'the headers are about the key, which has less left than its user' grep -qix \
		'RateLimit: "key";r=2;t=[0-9]*.\?' "$LAB_DIR/headers"
	check 'and what it may' grep -qix 'RateLimit-Policy: "key";q=5;w=3600.\?' "$LAB_DIR/headers"
	check 'a session counts for its key' is 200 with_key "$token" ask nobody GET /lists
	check 'and so does the key' is 200 with_key "$slow" ask nobody GET /lists
	check 'then it is 429' is 429 with_key "$token" ask nobody GET /lists
	check 'and told when to come again' grep -qiE '^Retry-After: (7[0-9][0-9])' "$LAB_DIR/headers"
	check 'with both' is 429 with_key "$slow" ask nobody GET /lists
	check 'its user may without' is 200 ask nobody GET /lists
	check 'a rate that is none is refused' is 422 ask root POST /keys -d '{"name": "x", "role": "viewer", "rate": "fast"}'
	check 'v2 takes it as a quantity' test 201 = "$(curl -gsS --unix-socket "$WEIR_SOCKET" -o "$LAB_DIR/answer" -w '%{http_code}' \
		-d '{"name": "three", "role": "viewer", "rate": {"value": 10, "unit": "requests/min"}}' http://weir/v2/keys)"
	check 'and gives it back as one' test '{"value":10,"unit":"requests/min"}' = "$(jq -c .rate "$LAB_DIR/answer")"
	weir keys revoke "$(answer .id)" >/dev/null
}

# The same in v2: quantities in two parts, lists with next.
versions() {
	check 'v1 takes durations' is 201 ask root POST /keys \
		-d '{"name": "one", "role": "viewer", "expires": "1d"}'
	check 'v2 takes quantities' test 201 = "$(curl -gsS --unix-socket "$WEIR_SOCKET" -o "$LAB_DIR/answer" -w '%{http_code}' \
		-d '{"name": "two", "role": "viewer", "expires": {"value": 1, "unit": "d"}}' http://weir/v2/keys)"
	check 'which mean the same' test 1 = "$(weir keys list -o json | jq '[.items[] |
		select(.name == "one" or .name == "two") | .expires_at[:13]] | unique | length')"
	check 'and the list has next' jq -e 'has("next") and (.items | length > 1)' \
		<<<"$(curl -gsS --unix-socket "$WEIR_SOCKET" http://weir/v2/keys)"
}

life_of_a_key() {
	local next short

	next=$(weir keys rotate "${ROBOT:5:8}" --ttl 2s 2>/dev/null)
	check 'a rotated key is another one' test "$next" != "$ROBOT"
	check 'the new one is good' is 200 with_key "$next" ask nobody GET /lists/block
	check 'with the rules of the former' is 403 with_key "$next" ask nobody POST /lists/block \
		-d '{"cidr": "203.0.113.1"}'
	sleep 2.1
	check 'the former one is not, when the overlap is over' is 401 with_key "$ROBOT" ask nobody GET /lists/block
	check 'which says how to authenticate' grep -qi '^WWW-Authenticate: Bearer .*invalid_token' "$LAB_DIR/headers"
	short=$(weir keys create short --role viewer --ttl 1s 2>/dev/null)
	sleep 1.1
	check 'an expired key is 401' is 401 with_key "$short" ask root GET /lists
	check 'a revoked key is, at once' weir keys revoke "${next:5:8}"
	check 'and is not good' is 401 with_key "$next" ask root GET /lists/block
	check 'weir exits with 4 then' exits 4 env WEIR_KEY="$next" "$WEIR" lists
	check 'revoking it again says that it is over' is 409 ask root DELETE "/keys/${next:5:8}"
	check 'weir says where to look' grep -q "see 'weir keys list'" \
		<<<"$(weir keys revoke 00000000 2>&1 || true)"
	check 'and of a key that is not good, what to do' grep -q 'give another one with --key-file' \
		<<<"$(WEIR_KEY=$next weir lists 2>&1 || true)"
	check 'with a key that nobody made' is 401 with_key weir_00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ask root GET /lists
	check 'with none at all' is 401 with_key nonsense ask root GET /status
	check 'failures are on record, by cause' has_record '.event_type == "auth.failed" and .details.cause == "expired"'
	check 'root is never locked out' sh -c "for i in 1 2 3 4 5 6 7; do
		WEIR_KEY=nonsense '$WEIR' lists; done; '$WEIR' lists"
}

sessions() {
	local key token refresh second id

	key=$(weir keys create tool --role operator 2>/dev/null)
	check 'a session is opened with a key' is 201 with_key "$key" ask bin POST /sessions \
		-d '{"permissions": ["lists.read"], "role": "operator"}'
	token=$(answer .token) refresh=$(answer .refresh_token) id=$(answer .id)
	check 'its token does what it was opened for' is 200 with_key "$token" ask bin GET /lists
	check 'and nothing else' is 403 with_key "$token" ask bin POST /lists/block -d '{"cidr": "198.18.1.1"}'
	check 'it is no other user'\''s' is 401 with_key "$token" ask nobody GET /lists
	check 'a token that was changed is none' is 401 with_key "${token%?????}AAAAA" ask root GET /lists
	check 'the token to refresh gives no rights' is 401 with_key "$refresh" ask bin GET /lists
	check 'it gives another pair' is 200 ask bin POST /sessions/refresh -d "{\"refresh_token\": \"$refresh\"}"
	second=$(answer .token)
	check 'which is good' is 200 with_key "$second" ask bin GET /lists
	check 'weir sessions list has the session' sh -c "'$WEIR' sessions list | grep -E '^$id +bin +operator +${key:5:8} '"
	check 'a session opens no other' is 403 with_key "$second" ask bin POST /sessions
	check 'the token to refresh is good once' is 401 ask bin POST /sessions/refresh -d "{\"refresh_token\": \"$refresh\"}"
	check 'and then the session is ended: there is a copy' is 401 with_key "$second" ask bin GET /lists
	check 'which is on record' has_record '.event_type == "session.ended" and .details.cause == "reused"'
	with_key "$key" ask bin POST /sessions >/dev/null
	token=$(answer .token)
	check 'sessions end with their key' weir keys revoke "${key:5:8}"
	check 'at once' is 401 with_key "$token" ask root GET /lists
	for _ in 1 2 3 4 5 6 7 8; do ask nobody POST /sessions >/dev/null; done
	check 'a user has eight at most' is 422 ask nobody POST /sessions
	check 'an admin ends somebody'\''s' weir sessions end \
		"$(weir sessions list -o json | jq -r '[.items[] | select(.username == "nobody")][0].id')"
	check 'and there is room for one' is 201 ask nobody POST /sessions
	check 'an operator does not, nor learns that it is there' is 404 ask bin DELETE "/sessions/$(answer .id)"
}

step_up() {
	local secret first

	as nobody "$WEIR" totp enroll -o json >"$LAB_DIR/enrolled"
	secret=$(jq -r .secret "$LAB_DIR/enrolled")
	check 'who enrolls gets a URI for an authenticator' jq -e \
		'.uri | test("^otpauth://totp/weir:nobody%40.*secret=[A-Z2-7]{32}&issuer=weir&algorithm=SHA1")' \
		"$LAB_DIR/enrolled"
	check 'once' exits 5 as nobody "$WEIR" totp enroll
	check 'what does harm takes a password then' is 401 ask nobody PUT /panic -d '{"mode": "off"}'
	check 'and says which' test "$(answer .code)" = auth.step_up
	check 'what helps does not' is 200 ask nobody PUT /panic -d '{"mode": "monitor"}'
	check 'clearing it does' exits 4 as nobody "$WEIR" panic clear
	fresh_code "$secret"
	first=$used_code
	check 'with the password it is done' as nobody "$WEIR" panic clear --totp "$first"
	check 'a password is good once' is 401 ask nobody DELETE /panic -H "X-Weir-TOTP: $first"
	check 'a key of somebody else is not revoked without' is 401 ask nobody DELETE \
		"/keys/$(weir keys list -o json | jq -r '[.items[] | select(.name == "boss")][0].id')"
	check 'nor anybody erased' is 401 ask nobody POST /governance/requests \
		-d '{"kind": "erase", "subject": "198.18.7.7"}'
	check 'nor enforcement ended' is 401 ask nobody POST /detach
	check 'who is not enrolled is not asked' is 200 ask daemon PUT /panic -d '{"mode": "off"}'
	weir panic clear >/dev/null
	check 'nobody un-enrolls themselves without one' is 401 ask nobody DELETE /totp
	stop_weir && start_weir
	check 'a password that was used is so after a restart' is 401 ask nobody POST /detach -H "X-Weir-TOTP: $first"
	check 'who asks to be erased is told of the key that has their name' sh -c \
		"'$WEIR' gdpr erase robot -o json | jq -e '.configured[] | select(test(\"^API key .* name\"))'"
	check 'an admin removes it for who lost theirs' weir totp remove "$(id -u nobody)"
	check 'that is on record' has_record '.event_type == "totp.removed" and .outcome == "success" and .actor.username == "root"'
}

lockout() {
	for _ in 1 2 3 4; do ask games GET /lists -H 'Authorization: Bearer weir_x' >/dev/null; done
	check 'after four failures a user is not locked out' is 200 ask games GET /lists
	check 'the fifth is answered as the others' is 401 ask games GET /lists -H 'Authorization: Bearer weir_x'
	check 'and then the user is locked out, also without a key' is 429 ask games GET /lists
	check 'for a minute' grep -qiE '^Retry-After: (60|5[0-9])' "$LAB_DIR/headers"
	check 'what anybody may read is still read' is 200 ask games GET /status
	check 'others are not locked out' is 200 ask daemon GET /lists
	check 'the lock is on record' has_record '.event_type == "auth.locked" and .actor.username == "games" and .details.lock_seconds == 60'
	stop_weir && start_weir
	check 'a restart does not end it' is 429 ask games GET /lists
	check 'nor does it end keys and sessions' test "$(weir sessions list -o json | jq '.items | length')" -ge 8
}

start_weir
check 'the key that signs tokens is ours alone to read' \
	test "$(stat -c %a "$STATE/keys/session.key")" = 400
narrowing
never_adds
rates
versions
life_of_a_key
sessions
step_up
lockout
check 'the log is whole' weir audit verify "$STATE/audit"
finish
