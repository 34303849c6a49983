#!/usr/bin/perl
# Read each N.eml of a folder with MIME::tools and print what it says, one line of JSON for each mail.
use strict;
use warnings;
use Digest::SHA qw(sha1_hex);
use Encode qw(decode);
use JSON::PP;
use MIME::Parser;
use MIME::WordDecoder;
use Mail::Address;

my ($folder) = @ARGV;
my $json = JSON::PP->new->utf8->canonical;

sub unfolded { my $value = shift // ''; $value =~ s/\r?\n//g; $value =~ s/^\s+|\s+$//g; return $value }
sub words { return mime_to_perl_string(unfolded(shift)) }

sub mailboxes {
    my @found;
    for my $mailbox (Mail::Address->parse(unfolded(shift))) {
        my $name = $mailbox->phrase;
        $name =~ s/\\(.)/$1/g if $name =~ s/^"(.*)"$/$1/s;
        push @found, [words($name), decode('UTF-8', $mailbox->address)];
    }
    return \@found;
}

sub leaves {
    my $entity = shift;
    return map { leaves($_) } $entity->parts if $entity->parts;
    my $head    = $entity->head;
    my $content = $entity->bodyhandle ? $entity->bodyhandle->as_string : '';
    my $name    = $head->recommended_filename // '';
    $name = decode('UTF-8', $name) unless utf8::is_utf8($name);
    return {
        type        => $head->mime_type,
        name        => $name,
        disposition => unfolded($head->mime_attr('content-disposition')),
        cid         => unfolded($head->get('content-id')),
        sha1        => sha1_hex($content),
        text        => $head->mime_type =~ m{^text/} ? decode('UTF-8', $content) : undef,
    };
}

for my $path (sort glob "$folder/*.eml") {
    my ($number) = $path =~ /(\d+)\.eml$/;
    my $parser = MIME::Parser->new;
    $parser->output_to_core(1);
    $parser->tmp_to_core(1);
    $parser->extract_nested_messages(0);
    $parser->decode_headers(0);
    my $entity = $parser->parse_open($path);
    my $head   = $entity->head;
    print $json->encode({
        number   => $number,
        subject  => words($head->get('Subject', 0)),
        people   => { map { $_ => mailboxes($head->get($_, 0)) } qw(From To Cc Reply-To) },
        leaves   => [leaves($entity)],
        problems => [map { "$_" } $parser->results->msgs],
    }), "\n";
}
