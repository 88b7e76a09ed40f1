const post = async (path, value) => {
  const answer = await fetch(`${door}/v1/card-login/${path}`, {
    method: "POST", headers, body: JSON.stringify(value), credentials: "omit",
  });
  return answer.json();
};
const { exchange } = await post("begin", { request });
let reply = { state: undefined };
while (reply.state !== "done") {
  reply = await post("finish", { exchange, seen: reply.state });
  if (reply.error) return reply.error.code;
}
return reply.answer ? "done" : "no answer";
