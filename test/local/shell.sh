# For README's examples, in sh, bash or zsh: `. test/local/shell.sh`, from the project's folder, with `npm start` running.
URL=http://localhost:${PORT:-8787}
W=$URL/platform/workspaces/1
ADMIN=$(sed -n 's/^ADMIN_TOKEN=//p' .dev.vars)

# curl with the two headers that every operation wants.
call() {
  curl -sS -w '\n' -H "Authorization: Bearer $TOKEN" -H "transactionId: $(node -p 'crypto.randomUUID()')" "$@"
}

# One field of the answer that comes in; where it has none, the answer is shown, and that is a failure.
field() {
  node -e '
    const answer = fs.readFileSync(0, "utf8")
    let value
    try { value = JSON.parse(answer)[process.argv[1]] } catch {}
    if (value !== undefined) console.log(value)
    else {
      console.error(`No ${process.argv[1]} in the answer: ${answer.trim() || "there is none. Is npm start running?"}`)
      process.exit(1)
    }' "$1"
}

# Uploads ids to the group GROUP, by fields such as `type=ADD`, and prints the job's id.
upload() {
  call -X PUT "$URL/groups/v3/groups/$GROUP/participants?$1" -H 'Content-Type: text/csv' --data-binary @- | field jobId
}

# Waits until the job of a group has ended or is held, and shows it.
job() {
  while call "$URL/groups/v3/jobs/$1" | grep -Eq '"jobStatus":"(CREATED|PROCESSING)"'; do sleep 1; done
  call "$URL/groups/v3/jobs/$1"
}

# TOKEN of a client of workspace 1 that may do everything.
login() {
  scopes='"groups:read","groups:write","users:read","users:write","audiences:read","audiences:write","webhooks:read","webhooks:write","experiments:read","experiments:write"'
  CLIENT=$(curl -sS "$URL/oauth/clients" -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' \
    -d "{\"workspace_id\": 1, \"name\": \"me\", \"scopes\": [$scopes]}") &&
    ID=$(printf %s "$CLIENT" | field client_id) && SECRET=$(printf %s "$CLIENT" | field client_secret) &&
    TOKEN=$(curl -sS "$URL/oauth/token" -u "$ID:$SECRET" -d grant_type=client_credentials | field access_token)
}
