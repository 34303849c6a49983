// What a search lists first, where pages match equally well: guides before decisions, benchmarks and the changelog.
// The numbers below `score` are those that Sphinx has by itself.
var Scorer = {
  places: { tutorial: 3, "how-to": 3, explanation: 1, adr: -9, benchmarks: -5, changelog: -9 },
  score: ([page, title, anchor, description, score]) => score + (Scorer.places[page.split("/")[0]] || 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
