// Sends mails through Nodemailer's pool: answers each JSON line { port, count, mail } when they are sent.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/");
const nodemailer = require("nodemailer");
const version = require("nodemailer/package.json").version;
const answer = (value) => process.stdout.write(JSON.stringify(value) + "\n");

answer({ version, node: process.version });
for await (const line of createInterface({ input: process.stdin })) {
  const { port, count, mail } = JSON.parse(line);
  const pool = nodemailer.createTransport({ pool: true, host: "127.0.0.1", port, ignoreTLS: true, maxMessages: Infinity });
  let next = 0;
  // As many mails under way as keep its five connections busy; all at once would only fill its queue.
  const one = async () => {
    while (next++ < count) await pool.sendMail({ ...mail, attachments: [] });
  };
  await Promise.all(Array.from({ length: 20 }, one));
  pool.close();
  answer({ sent: count });
}
