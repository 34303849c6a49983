// Composes the mails it is sent, one JSON line each, with Nodemailer's MailComposer; answers with JSON lines.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/");
const MailComposer = require("nodemailer/lib/mail-composer");
const version = require("nodemailer/package.json").version;

const mails = new Map();
const build = (options) =>
  new Promise((resolve, reject) =>
    new MailComposer(options).compile().build((error, octets) => (error ? reject(error) : resolve(octets))),
  );

const answer = (value) => process.stdout.write(JSON.stringify(value) + "\n");
answer({ version, node: process.version });
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.mail) {
    const mail = asked.mail;
    for (const file of mail.attachments) file.content = Buffer.from(file.content, "base64");
    mails.set(asked.name, mail);
    answer({ octets: (await build({ ...mail, attachments: [...mail.attachments] })).toString("base64") });
    continue;
  }
  const mail = mails.get(asked.name);
  const before = process.cpuUsage();
  for (let n = 0; n < asked.times; n++) await build({ ...mail, attachments: mail.attachments.map((file) => ({ ...file })) });
  const spent = process.cpuUsage(before);
  answer({ seconds: (spent.user + spent.system) / 1e6 });
}
