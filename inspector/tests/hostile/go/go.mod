module netpoller.example/liar

go 1.19
